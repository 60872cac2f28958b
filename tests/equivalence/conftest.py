"""The small search of the session's tests."""

from tests.session.conftest import backbone_name, textures

__all__ = ["backbone_name", "textures"]
