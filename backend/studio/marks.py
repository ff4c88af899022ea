"""The mark of annotations that this backend gave, so that nobody takes them for a person's.

Label Studio has no field for it: a mark stands in the `meta` of every result item. It names the run of `apply` and a
digest of the item's value. Once somebody changes the answer, value and digest differ, and the annotation is theirs.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

_META, _KEY = "meta", "shortlist"


def marked(items: Sequence[Mapping[str, Any]], run: str) -> list[dict[str, Any]]:
    """Return result items with the mark of a run."""
    return [{**item, _META: {_KEY: {"applied": run, "digest": _digest(item)}}} for item in items]


def run_of(result: Any) -> str:
    """Return the run that gave an annotation, if nobody changed it since; else an empty text.

    Args:
        result: the annotation's result as Label Studio holds it, of any form.
    """
    items = result if isinstance(result, list) else []
    runs = {_run_of_item(item) if isinstance(item, dict) else "" for item in items}
    return runs.pop() if len(runs) == 1 else ""


def _run_of_item(item: Mapping[str, Any]) -> str:
    meta = item.get(_META)
    mark = meta.get(_KEY) if isinstance(meta, dict) else None
    if not isinstance(mark, dict) or mark.get("digest") != _digest(item):
        return ""
    return str(mark.get("applied") or "")


def _digest(item: Mapping[str, Any]) -> str:
    """Stand for what an item says with which control."""
    said = json.dumps([str(item.get("from_name")), item.get("value")], sort_keys=True)
    return hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
