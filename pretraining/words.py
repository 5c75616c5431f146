"""Word lists and phrases of the generated chats, written for this project."""

from __future__ import annotations

import random

DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MONTHS = [
    "January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December",
]  # fmt: skip
NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
NAMES = [
    "Anna", "Ben", "Clara", "David", "Emma", "Frank", "Grace", "Henry", "Ida", "Jack", "Kate",
    "Leo", "Mary", "Nina", "Oscar", "Paul", "Rosa", "Sam", "Tom", "Vera", "Walter", "Lucy",
    "George", "Alice", "Peter", "Jane", "Robert", "Helen", "Martin", "Julia",
]  # fmt: skip
COLOURS = ["red", "blue", "green", "yellow", "black", "white", "brown", "grey", "orange", "purple"]
THINGS = [
    "hat", "coat", "book", "cup", "bag", "box", "key", "lamp", "chair", "ball", "pen", "letter",
    "ring", "basket", "bottle", "knife", "scarf", "clock", "umbrella", "shirt", "bowl", "map",
]  # fmt: skip
PLACES = [
    "in the garden",
    "in the kitchen",
    "on the table",
    "under the bed",
    "by the river",
    "near the door",
    "on the hill",
    "in the old house",
    "behind the barn",
    "at the station",
    "in the forest",
    "beside the fire",
    "on the beach",
    "in the library",
]
SUBJECTS = [
    "The old man", "A small dog", "My sister", "The teacher", "Our neighbour", "A tall woman",
    "The captain", "The children", "His brother", "The young king", "A black cat", "The farmer",
    "A soldier", "The little girl", "My friend", "Nobody", "Somebody", "The baker",
]  # fmt: skip
ACTIONS = [
    "slept", "waited", "sang a song", "found a coin", "read a book", "sat down", "laughed",
    "lost a shoe", "told a story", "ate an apple", "worked all day", "heard a noise",
    "saw a bird", "wrote a letter", "lit a lamp", "drank some water", "stood still",
]  # fmt: skip
WEATHER = [
    "a cold day",
    "raining",
    "a warm evening",
    "very late",
    "early in the morning",
    "snowing",
]
PLAIN_WORDS = [
    "apple", "bird", "boat", "bread", "bridge", "candle", "castle", "cloud", "coin", "door",
    "dream", "earth", "fire", "fish", "flower", "forest", "garden", "glass", "gold", "grass",
    "hand", "heart", "hill", "horse", "house", "island", "lake", "leaf", "light", "moon",
    "mountain", "music", "night", "ocean", "paper", "rain", "river", "road", "rose", "sand",
    "ship", "shoe", "silver", "snow", "star", "stone", "storm", "street", "summer", "sun",
    "table", "tree", "village", "voice", "wall", "water", "wind", "window", "winter", "wood",
]  # fmt: skip
OPPOSITES = [
    ("hot", "cold"), ("big", "small"), ("up", "down"), ("day", "night"), ("early", "late"),
    ("open", "closed"), ("full", "empty"), ("rich", "poor"), ("old", "young"), ("hard", "soft"),
    ("fast", "slow"), ("high", "low"), ("light", "dark"), ("wet", "dry"), ("strong", "weak"),
    ("happy", "sad"), ("long", "short"), ("near", "far"), ("first", "last"), ("true", "false"),
    ("left", "right"), ("good", "bad"), ("inside", "outside"), ("love", "hate"), ("win", "lose"),
    ("clean", "dirty"), ("loud", "quiet"), ("thick", "thin"), ("wide", "narrow"), ("buy", "sell"),
]  # fmt: skip
ANIMALS = [
    ("dog", "woof", "puppy", "in a house with people"),
    ("cat", "meow", "kitten", "in a house with people"),
    ("cow", "moo", "calf", "on a farm"), ("sheep", "baa", "lamb", "on a farm"),
    ("horse", "neigh", "foal", "in a stable"), ("hen", "cluck", "chick", "in a henhouse"),
    ("duck", "quack", "duckling", "near a pond"), ("pig", "oink", "piglet", "on a farm"),
    ("frog", "croak", "tadpole", "near a pond"), ("lion", "roar", "cub", "on the plains of Africa"),
    ("bear", "growl", "cub", "in the forest"), ("owl", "hoot", "owlet", "in the forest"),
]  # fmt: skip
CAPITALS = [
    ("France", "Paris"), ("England", "London"), ("Germany", "Berlin"), ("Italy", "Rome"),
    ("Spain", "Madrid"), ("Portugal", "Lisbon"), ("Russia", "Moscow"), ("Japan", "Tokyo"),
    ("China", "Beijing"), ("Egypt", "Cairo"), ("Greece", "Athens"), ("Austria", "Vienna"),
    ("Norway", "Oslo"), ("Sweden", "Stockholm"), ("Denmark", "Copenhagen"), ("Ireland", "Dublin"),
    ("Scotland", "Edinburgh"), ("Belgium", "Brussels"), ("Poland", "Warsaw"),
    ("Hungary", "Budapest"),
    ("Canada", "Ottawa"), ("Cuba", "Havana"), ("Peru", "Lima"), ("Kenya", "Nairobi"),
]  # fmt: skip
COLOURS_OF = [
    ("grass", "green"), ("snow", "white"), ("the sky on a clear day", "blue"), ("blood", "red"),
    ("coal", "black"), ("a lemon", "yellow"), ("a carrot", "orange"), ("chocolate", "brown"),
    ("milk", "white"), ("a ripe banana", "yellow"), ("a raven", "black"), ("the sea", "blue"),
]  # fmt: skip
KINDS = [
    ("colours", COLOURS),
    ("fruits", ["apple", "pear", "plum", "cherry", "lemon", "banana", "grape", "peach"]),
    ("animals", ["dog", "cat", "horse", "cow", "lion", "bear", "sheep", "rabbit", "wolf", "mouse"]),
    ("metals", ["iron", "gold", "silver", "copper", "tin", "lead", "zinc"]),
    ("tools", ["hammer", "saw", "spade", "axe", "file", "chisel", "rake"]),
    ("drinks", ["water", "milk", "coffee", "tea", "juice", "wine", "beer"]),
    ("trees", ["oak", "pine", "elm", "birch", "willow", "maple", "beech"]),
    ("clothes", ["coat", "shirt", "hat", "glove", "scarf", "shoe", "sock", "dress"]),
    ("instruments", ["piano", "violin", "flute", "drum", "harp", "trumpet", "guitar"]),
    ("rooms", ["kitchen", "bedroom", "hall", "cellar", "attic", "library"]),
]
PLAIN_SYSTEMS = [
    "You are a helpful assistant.",
    "Answer in one sentence.",
    "Be polite and brief.",
    "You are a friendly helper. Keep answers short.",
    "Answer the questions of the user.",
]
SMALL_TALK: list[tuple[list[str], list[str]]] = [
    (
        ["Hello.", "Hi.", "Hello there!", "Hi there.", "Good morning.", "Good evening.", "Hey."],
        ["Hello! How can I help you?", "Hello. What can I do for you?", "Hi! How can I help?"],
    ),
    (
        ["How are you?", "How are you today?", "How do you do?", "Are you well?"],
        [
            "I am well, thank you. How are you?",
            "Very well, thank you.",
            "I am fine, thanks for asking.",
        ],
    ),
    (
        [
            "Thank you.",
            "Thanks!",
            "Thank you very much.",
            "Thanks a lot.",
            "That helps, thank you.",
        ],
        ["You are welcome.", "You're welcome!", "My pleasure.", "Happy to help."],
    ),
    (
        ["Goodbye.", "Bye!", "See you later.", "Good night.", "I have to go now."],
        ["Goodbye!", "Goodbye, and have a nice day.", "See you soon!", "Take care."],
    ),
    (
        ["Who are you?", "What are you?", "Are you a person?", "What is your name?"],
        ["I am a small language model.", "I am a small language model that came with fewtune."],
    ),
    (
        ["What can you do?", "Can you help me?", "How can you help me?"],
        ["I can answer simple questions.", "I can talk a little and answer simple questions."],
    ),
    (
        ["I am sad today.", "I feel tired.", "I had a bad day.", "I am not feeling happy."],
        ["I am sorry to hear that.", "I am sorry. I hope that tomorrow is a better day."],
    ),
    (
        ["I am happy today!", "I had a good day.", "I passed my exam!", "It is my birthday."],
        ["I am glad to hear that!", "That is good news!", "How nice! I am glad for you."],
    ),
    (
        ["Tell me a story.", "Tell me something.", "Can you tell me a short story?"],
        [
            "Once there was a small boat on a wide river. One day it sailed to the sea.",
            "An old man planted a tree. Years later the children of the village sat in its shade.",
            "A girl found a key in the garden. It opened a box with a letter from her grandmother.",
        ],
    ),
    (
        ["I do not understand.", "What do you mean?", "Sorry?", "I don't get it."],
        [
            "I am sorry. Please ask me again in other words.",
            "Sorry, let me know what is not clear.",
        ],
    ),
]


def sentence_with(word: str, rng: random.Random) -> str:
    """Return a short sentence in which ``word`` stands."""
    frames = [
        "I saw the {} yesterday.",
        "The {} was very old.",
        "She thought of the {} all day.",
        "There was nothing there but the {}.",
        "He told us about the {}.",
    ]
    return rng.choice(frames).format(word)
