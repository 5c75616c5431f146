"""How good the tuned models, the choices and the figures about them are."""
