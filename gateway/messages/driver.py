"""Texts of what drivers find wrong in a device's configuration."""

from gateway.messages.message import Message

TABLE: dict[str, Message] = {}
