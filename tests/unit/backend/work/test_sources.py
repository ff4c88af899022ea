from backend.work.sources import Source


def test_a_source_is_named_by_its_version_or_else_by_its_encoder():
    assert Source("roberta-base").name == "roberta-base"
    assert Source("roberta-base", 3, "5f0c21ab").name == "version-3-5f0c21ab"
