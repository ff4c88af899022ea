"""A labeling config as Label Studio's editor reads it: names of tags and attributes count in any case."""

from typing import Any

from lxml import etree

_TAGS = (
    *("View", "Header", "Style", "Text", "HyperText", "Paragraphs", "Choices", "Choice", "Rating", "Taxonomy"),
    *("TextArea", "Labels", "Label", "Number", "DateTime", "Pairwise", "Repeater"),
)
_ATTRIBUTES = (
    *("name", "toName", "value", "valueType", "alias", "hint", "encoding", "nameKey", "textKey"),
    *("choice", "allowNested", "perRegion", "perItem", "visibleWhen", "whenTagName", "whenChoiceValue"),
    *("maxRating", "maxUsages", "leafsOnly", "apiUrl", "labeling", "placeholder", "required"),
)
_TAG_OF = {tag.lower(): tag for tag in _TAGS}
_ATTRIBUTE_OF = {attribute.lower(): attribute for attribute in _ATTRIBUTES}


def spelled_out(xml: str) -> str:
    """Spell the tags and attributes that we know in the way of Label Studio's documentation.

    Label Studio's Python package knows no other way, and would take `toname` for nothing.

    Args:
        xml: the labeling config.

    Raises:
        lxml.etree.XMLSyntaxError: the XML is broken.
        ValueError: it holds a character that XML does not allow.
    """
    root = etree.fromstring(xml, etree.XMLParser(resolve_entities=False, no_network=True))
    is_changed = False
    for tag in root.iter(etree.Element):
        is_changed |= _spell_tag(tag)
    return etree.tostring(root, encoding="unicode") if is_changed else xml


def _spell_tag(tag: Any) -> bool:
    """Spell one tag and its attributes; returns whether anything changed."""
    name = _TAG_OF.get(tag.tag.lower(), tag.tag)
    wrong = [key for key in tag.attrib if _ATTRIBUTE_OF.get(key.lower(), key) != key]
    for key in wrong:
        given, right = tag.attrib.pop(key), _ATTRIBUTE_OF[key.lower()]
        if right not in tag.attrib:
            tag.set(right, given)
    is_changed = name != tag.tag or bool(wrong)
    tag.tag = name
    return is_changed


def is_true(attribute: str) -> bool:
    """Whether Label Studio takes an attribute for true."""
    return attribute.strip().lower() == "true"
