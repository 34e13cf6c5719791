from typing import Any

PROTOCOLS: dict[str, Any]
