"""Errors that a user is told of: what they say is a text of the message table, in two languages."""

from __future__ import annotations


class SaidError(Exception):
    """`message` is an id of the message table, `arguments` what fills its text."""

    def __init__(self, message: str, **arguments: object) -> None:
        super().__init__(message, arguments)
        self.message = message
        self.arguments = arguments
