"""Texts of the command line."""

from gateway.messages.message import Message

TABLE: dict[str, Message] = {}
