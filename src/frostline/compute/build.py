"""From a recipe and a backbone to a network: transferred, random, frozen, dropped and new parts where the recipe says."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from torch import Tensor, nn

from frostline.backbones import LoadedBackbone, StagedNetwork
from frostline.compute.new_layers import new_head
from frostline.errors import OptionError, RecipeError
from frostline.terms.backbone import Layout
from frostline.terms.recipe import Action, HeadKind, Recipe, Weights

DISCRIMINATIVE_FACTOR = 2.6  # each earlier stage learns this much slower (Howard and Ruder 2018)


class TransferNetwork(nn.Module):
    """A trunk of kept stages and a head.

    Shapes: normalised images (batch, channels, height, width) -> logits (batch, classes).
    """

    def __init__(self, trunk: StagedNetwork, head: nn.Module, actions: dict[str, Action], every_stage: bool) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head
        self.actions = actions
        self.every_stage = every_stage

    def forward(self, images: Tensor) -> Tensor:
        return self.resume(images, 0)

    def resume(self, tensor: Tensor, first: int) -> Tensor:
        """Logits from the tensor that crosses the cut before stage `first`; 0 takes images."""
        if not self.every_stage:
            return self.head([self.trunk.run(tensor, first)])  # type: ignore[no-any-return]
        features = []
        for index in range(first, len(self.actions)):
            tensor = self.trunk.run(tensor, index, index + 1)
            features.append(tensor)
        return self.head(features)  # type: ignore[no-any-return]

    @property
    def frozen_prefix(self) -> int:
        """How many leading stages are frozen and need not be kept for the head."""
        if self.every_stage:
            return 0
        count = 0
        for action in self.actions.values():
            if action is not Action.FREEZE:
                break
            count += 1
        return count

    def trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Names and parameters that an optimizer may change."""
        return ((name, parameter) for name, parameter in self.named_parameters() if parameter.requires_grad)


def build(recipe: Recipe, backbone: LoadedBackbone, classes: int, seed: int = 0) -> TransferNetwork:
    """The network that `recipe` describes, on its own copy of the backbone's tensors.

    New layers and re-initialised stages are random from `seed`; with `weights: random` or `matched` so is every tensor of the
    trunk. Everything else equals the source's tensors. Frozen stages have no gradient, run in evaluation mode and keep their
    statistics, whatever `.train()` is called on.

    Args:
        recipe: its stages must be the backbone's (`backbone.stage_names`), or cuts that `stages --all` shows.
        classes: at least 2.

    Raises:
        RecipeError: the recipe does not fit the backbone. OptionError: fewer than two classes.
    """
    if classes < 2:
        raise OptionError(f"classes={classes}: a classifier needs at least 2.")
    backbone = fitting(recipe, backbone)
    actions = check_fits(recipe, backbone)
    assert recipe.head is not None
    kept = [stage for stage in backbone.stages if actions[stage.name] is not Action.DROP]
    trunk = backbone.network(recipe.weights, seed)
    _reinitialise(trunk, backbone, actions, recipe.weights, seed)
    trunk = trunk.truncate(len(kept))
    trunk.freeze([stage.name for stage in kept if actions[stage.name] is Action.FREEZE])
    if recipe.option("norm") == "frozen":
        for stage in kept:
            trunk.part(stage.name).norm_frozen = True
    head = new_head(recipe.head, kept, classes, seed)
    kept_actions = {stage.name: actions[stage.name] for stage in kept}
    return TransferNetwork(trunk, head, kept_actions, recipe.head.kind is HeadKind.ALL_LAYER)


def fitting(recipe: Recipe, backbone: LoadedBackbone) -> LoadedBackbone:
    """`backbone`, cut also where `recipe` names a cut that is no stage boundary.

    Raises:
        RecipeError: it names the cut that ends the stem, which is called `stem`.
    """
    first = backbone.stages[0]
    if first.cut.name in recipe.named and first.name not in recipe.named and first.cut.name != first.name:
        raise RecipeError(f"recipe '{recipe}': the stage that ends at {first.cut.name} is called {first.name}; write that.")
    extra = (recipe.named - set(backbone.stage_names)) & {cut.name for cut in backbone.description.cuts}
    return _cut_at(backbone, frozenset(extra)) if extra else backbone


@lru_cache(maxsize=8)
def _cut_at(backbone: LoadedBackbone, extra: frozenset[str]) -> LoadedBackbone:
    """Taking a network apart and checking it takes seconds; a recipe's trials all need the same."""
    wanted = extra | {stage.cut.name for stage in backbone.stages}
    return backbone.with_stages([cut.name for cut in backbone.description.cuts if cut.name in wanted])


def check_fits(recipe: Recipe, backbone: LoadedBackbone) -> dict[str, Action]:
    """Stage name -> what the recipe does with it.

    Args:
        backbone: cut where the recipe names cuts (`fitting`).

    Raises:
        RecipeError: unknown stages, tied stages treated apart, a head that needs a map where there is none, or pixels.
    """
    if recipe.head is None:
        raise RecipeError(f"recipe '{recipe}' has no network to build: pixels are classified directly.")
    actions = dict(zip(backbone.stage_names, recipe.actions(backbone.stage_names), strict=True))
    _check_tied(recipe, backbone, actions)
    last = [stage for stage in backbone.stages if actions[stage.name] is not Action.DROP][-1]
    if recipe.head.kind is HeadKind.CONV and last.cut.layout is Layout.FLAT:
        raise RecipeError(
            f"recipe '{recipe}': head {recipe.head} needs a feature map, but {last.name!r} gives {last.cut.shape};"
            " use linear or mlp(256)."
        )
    return actions


def _check_tied(recipe: Recipe, backbone: LoadedBackbone, actions: dict[str, Action]) -> None:
    for stage in backbone.stages:
        for other in stage.tied_to:
            if actions[other] is not actions[stage.name]:
                raise RecipeError(
                    f"recipe '{recipe}': {stage.name} and {other} of {backbone.name} share parameters and need the same action."
                )


def _reinitialise(
    trunk: StagedNetwork, backbone: LoadedBackbone, actions: dict[str, Action], weights: Weights, seed: int
) -> None:
    names = [name for name, action in actions.items() if action is Action.REINIT]
    if names and weights is Weights.PRETRAINED:
        fresh = backbone.network(Weights.RANDOM, seed)
        for name in names:
            trunk.copy_stage_from(fresh, name)


def parameter_groups(
    model: TransferNetwork, lr: float, weight_decay: float = 0.01, rates: str = "flat"
) -> list[dict[str, object]]:
    """Optimizer groups that hold each trainable parameter exactly once and no frozen one.

    Vectors (biases, normalisation) are not decayed. With `rates="discriminative"` each earlier stage learns 2.6 times slower
    than the one after it (Howard and Ruder 2018).

    Returns:
        dictionaries with `params`, `lr`, `weight_decay`, `name`, as torch optimizers take them.
    """
    stages = list(model.actions)
    groups: dict[tuple[str, bool], list[nn.Parameter]] = {}
    seen: set[int] = set()
    for part, module in [*((name, model.trunk.part(name)) for name in stages), ("head", model.head)]:
        for parameter in module.parameters():
            if parameter.requires_grad and id(parameter) not in seen:
                seen.add(id(parameter))
                groups.setdefault((part, parameter.ndim > 1), []).append(parameter)
    depth = {name: len(stages) - index for index, name in enumerate(stages)} | {"head": 0}
    factor = DISCRIMINATIVE_FACTOR if rates == "discriminative" else 1.0
    return [
        {"params": members, "lr": lr / factor ** depth[part], "weight_decay": weight_decay if decayed else 0.0, "name": part}
        for (part, decayed), members in groups.items()
    ]


def count_trained(model: nn.Module) -> int:
    """Numbers that training may change."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
