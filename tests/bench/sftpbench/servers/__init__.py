"""The servers that can be measured."""
from .base import Unavailable
from .command import Command
from .ferryd import Node, Single, Split
from .openssh import OpenSSH

__all__ = ["Command", "Node", "OpenSSH", "Single", "Split", "Unavailable"]
