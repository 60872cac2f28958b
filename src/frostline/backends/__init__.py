"""Who carries out independent pieces of work: this process, or several beside it. Nothing here knows what the work is."""

from __future__ import annotations

from frostline.backends.backend import Backend, Lost, Node, Watch
from frostline.backends.crew import Crew
from frostline.backends.process import Process
from frostline.backends.serial import Serial
from frostline.backends.threads import Threads

__all__ = ["Backend", "Crew", "Lost", "Node", "Process", "Serial", "Threads", "Watch"]
