"""A finished run."""

from tests.export.conftest import run as run
