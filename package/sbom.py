"""What is inside a package, for those who must know: CycloneDX 1.5."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from typing import Any

from package.wheels import Wheel


def bill(name: str, version: str, arch: str, wheels: Iterable[Wheel], date: str) -> str:
    """The document. The same content has the same serial number."""
    own = _component("application", name, version, f"pkg:deb/jiahe/{name}@{version}?arch={arch}")
    own["licenses"] = [{"expression": "Apache-2.0"}]
    parts = []
    for wheel in wheels:
        part = _component(
            "library", wheel.name, wheel.version, f"pkg:pypi/{wheel.name}@{wheel.version}"
        )
        part["licenses"] = [{"expression": wheel.license}]
        part["hashes"] = [{"alg": "SHA-256", "content": wheel.sha256}]
        part["properties"] = [{"name": "jiahe:wheel", "value": wheel.file}]
        if wheel.compiled_here:
            said = {"name": "jiahe:compiled", "value": "its extension module, from its source"}
            part["properties"].append(said)
        parts.append(part)
    content = {
        "metadata": {"timestamp": date, "component": own},
        "components": parts,
        "dependencies": [{"ref": own["bom-ref"], "dependsOn": [each["bom-ref"] for each in parts]}],
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True))
    head = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1}
    return json.dumps({**head, "serialNumber": f"urn:uuid:{serial}", **content}, indent=1) + "\n"


def _component(kind: str, name: str, version: str, purl: str) -> dict[str, Any]:
    return {"type": kind, "bom-ref": purl, "name": name, "version": version, "purl": purl}
