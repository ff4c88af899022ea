"""The thoughts that some models write before their answer."""

import re

_THOUGHTS = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)


def without_thoughts(answer: str) -> str:
    """An answer without what stands between `<think>` and `</think>`, or after a `<think>` that never ends."""
    return _THOUGHTS.sub("", answer)
