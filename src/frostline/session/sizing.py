"""A backbone at the run's size, and the lines that are compared on it: what planning and searching have in common."""

from __future__ import annotations

from frostline.backbones import LoadedBackbone
from frostline.compute.build import check_fits, fitting
from frostline.errors import RecipeError
from frostline.session.request import Request
from frostline.strategy.families import Line, panel
from frostline.terms.backbone import Layout
from frostline.terms.recipe import Recipe, family


def at_size(backbone: LoadedBackbone, size: int, request: Request) -> LoadedBackbone:
    """The backbone at the run's size; one that fixes its size keeps it unless the user asked for another."""
    if size == backbone.spec.height or (backbone.spec.fixed_size and request.size is None):
        return backbone
    return backbone.at(size)


def lines_of(request: Request, backbone: LoadedBackbone) -> list[Line]:
    if request.recipes:
        recipes = list(dict.fromkeys(Recipe.parse(text) for text in request.recipes))
        return [_line(recipe, backbone) for recipe in recipes if recipe.pixels is None]
    maps = [stage.name for stage in backbone.stages if stage.cut.layout is not Layout.FLAT]
    lines = panel(backbone.name, backbone.stage_names, maps)
    return [line for line in lines if _fits(line.recipe, backbone)]  # stages that share parameters cannot be treated apart


def _line(recipe: Recipe, backbone: LoadedBackbone) -> Line:
    fitted = fitting(recipe, backbone)
    check_fits(recipe, fitted)
    return Line(backbone.name, recipe, family(recipe, fitted.stage_names))


def _fits(recipe: Recipe, backbone: LoadedBackbone) -> bool:
    try:
        check_fits(recipe, backbone)
    except RecipeError:
        return False
    return True
