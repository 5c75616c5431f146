"""Low-rank adapters and prefixes inside a model: the only file that imports peft.

Adapters are injected in place, so the model keeps its class, its ``generate`` and its names; files
are written as peft writes them, and ``PeftModel.from_pretrained`` reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from fewtune.errors import ModelError
from fewtune.models.bottleneck import Bottleneck
from fewtune.models.low_rank import hasten
from fewtune.models.prefix import Prefix, flat

__all__ = [
    "FILE",
    "PROMPT",
    "adapted",
    "adapter_names",
    "add_lora",
    "disabled",
    "load_lora",
    "save_lora",
    "save_prefix",
]

FILE = "adapter_model.safetensors"
PROMPT = "prompt_embeddings"
"""What peft calls the values of a prefix in a file."""

PREFIX = "base_model.model."
"""What peft puts before every name in an adapter file."""


def _inject(config: Any, model: nn.Module) -> None:
    from peft import inject_adapter_in_model

    inject_adapter_in_model(config, model)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            # PEFT makes them as the layer is, which may be held lower than anything is trained.
            parameter.data = parameter.data.float()


def add_lora(
    model: nn.Module,
    *,
    rank: int,
    alpha: float,
    dropout: float,
    dora: bool,
    rslora: bool,
    targets: str | list[str] = "all-linear",
    within: Sequence[nn.Module] = (),
) -> Any:
    """Add trainable low-rank adapters to ``model`` in place and freeze the rest.

    Parameters
    ----------
    model
        The model.
    rank, alpha, dropout, dora, rslora
        As PEFT has them.
    targets
        Names of the layers, or ``all-linear``.
    within
        Modules of the model; where given, only layers inside them are adapted.

    Returns
    -------
    LoraConfig
        What ``save_lora`` writes beside the weights.
    """
    from peft import LoraConfig

    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        use_dora=dora,
        use_rslora=rslora,
        target_modules=_targets(model, targets, within),
        base_model_name_or_path=getattr(getattr(model, "config", None), "name_or_path", None),
    )
    try:
        _inject(config, model)
    except ValueError as error:
        raise ModelError(
            "a model with linear layers that LoRA can adapt",
            str(error).split("\n", 1)[0][:200],
            cure="Choose another method, or name the layers with method.options.targets",
        ) from error
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("lora_" in name)
    if not dora:
        _leave_inputs(model)
        _hasten(model)
    return config


def _hasten(model: nn.Module) -> None:
    from peft.tuners.lora.layer import Linear

    hasten(model, Linear)


def _leave_inputs(model: nn.Module) -> None:
    """Have the low-rank layers of a model that is not packed take their inputs as they come.

    PEFT brings each to the weights' float32, which autocast takes back to bfloat16 at once: the
    same bits, twice converted.
    """
    if all(p.is_floating_point() for p in model.parameters()):
        for module in model.modules():
            if hasattr(module, "cast_input_dtype_enabled"):
                module.cast_input_dtype_enabled = False  # type: ignore[assignment]


def _targets(
    model: nn.Module, wanted: str | list[str], within: Sequence[nn.Module]
) -> str | list[str]:
    """Return what PEFT is asked to adapt: as wanted, or the layers' full names."""
    linear = [name for name, module in model.named_modules() if _is_linear(module)]
    if linear and not within:
        return wanted
    inside = {id(m) for part in within for m in part.modules()}
    output = getattr(model, "get_output_embeddings", lambda: None)()
    by_name = dict(model.named_modules())
    ends = [wanted] if isinstance(wanted, str) else wanted
    found = [
        name
        for name in linear
        if id(by_name[name]) in inside
        and by_name[name] is not output
        and (wanted == "all-linear" or any(f".{name}".endswith(f".{end}") for end in ends))
    ]
    if not found:
        raise ModelError(
            "a model with linear layers that LoRA can adapt",
            f"{type(model).__name__}, where none fits {wanted!r}",
            cure="Choose another method, or name the layers with method.options.targets",
        )
    return found


def _is_linear(module: nn.Module) -> bool:
    from transformers.pytorch_utils import Conv1D

    return isinstance(module, (nn.Linear, Conv1D))


def adapter_names(model: nn.Module) -> list[str]:
    """Return the names of the parameters that belong to adapters."""
    return [name for name, _ in model.named_parameters() if "lora_" in name]


def save_lora(model: nn.Module, config: Any, folder: Path, base: str) -> None:
    """Write ``adapter_config.json`` and ``adapter_model.safetensors`` into ``folder``."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    state: dict[str, Tensor] = get_peft_model_state_dict(model, save_embedding_layers=False)
    named = {f"{PREFIX}{name}": value.detach().cpu().contiguous() for name, value in state.items()}
    config.base_model_name_or_path = base
    config.inference_mode = True
    if isinstance(config.target_modules, set):
        config.target_modules = sorted(config.target_modules)
    config.save_pretrained(str(folder))
    save_file(named, folder / FILE, metadata={"format": "pt"})


def load_lora(model: nn.Module, folder: Path) -> Any:
    """Add the adapters kept in ``folder`` to ``model`` in place; return their configuration."""
    from peft import LoraConfig, set_peft_model_state_dict
    from safetensors.torch import load_file

    config = LoraConfig.from_pretrained(str(folder))
    config.inference_mode = False
    _inject(config, model)
    state = load_file(folder / FILE)
    named = {name.removeprefix(PREFIX): value for name, value in state.items()}
    set_peft_model_state_dict(model, named)
    _hasten(model)
    return config


def save_prefix(found: list[Prefix], folder: Path, base: str, kind: str) -> None:
    """Write prefixes as ``adapter_config.json`` and ``adapter_model.safetensors``.

    Parameters
    ----------
    found
        The prefixes, first layer first.
    folder
        Where to.
    base
        What another machine would load the base model by.
    kind
        PEFT's name of the task.
    """
    from peft import PrefixTuningConfig
    from safetensors.torch import save_file

    heads, tokens, width = found[0].key.shape
    config = PrefixTuningConfig(
        task_type=kind,
        num_virtual_tokens=tokens,
        num_layers=len(found),
        num_attention_heads=heads,
        token_dim=heads * width,
        num_transformer_submodules=1,
        base_model_name_or_path=base,
        inference_mode=True,
    )
    config.save_pretrained(str(folder))
    save_file({PROMPT: flat(found)}, folder / FILE, metadata={"format": "pt"})


@contextmanager
def disabled(model: nn.Module) -> Iterator[None]:
    """Switch all adapters of ``model`` off inside the ``with`` block: it is the base again."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
    own = [module for module in model.modules() if isinstance(module, Bottleneck | Prefix)]
    for layer in layers:
        layer.enable_adapters(False)
    for module in own:
        module.enabled = False
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)
        for module in own:
            module.enabled = True


def adapted(model: nn.Module) -> Iterator[tuple[str, nn.Parameter, Callable[[], Tensor]]]:
    """Yield name and weight of every adapted layer, and a function that returns its change.

    The change is what adapters add to the weight, of the weight's own shape; gradients flow from
    it to the adapters.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, module in model.named_modules():
        if isinstance(module, BaseTunerLayer) and hasattr(module, "get_delta_weight"):
            weight: nn.Parameter = module.get_base_layer().weight
            yield f"{name}.weight", weight, partial(_change, module, weight)


def _change(layer: Any, weight: Tensor) -> Tensor:
    (adapter,) = layer.active_adapters
    added: Tensor = layer.get_delta_weight(adapter)
    if adapter not in layer.lora_magnitude_vector:
        return added
    # DoRA trains direction and magnitude of each output's weights apart.
    rows = 0 if layer.fan_in_fan_out else 1
    moved = weight + added
    magnitude = layer.lora_magnitude_vector[adapter].weight.unsqueeze(rows)
    turned: Tensor = moved * (magnitude / moved.norm(dim=rows, keepdim=True))
    return turned - weight
