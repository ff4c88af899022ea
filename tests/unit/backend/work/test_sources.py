from backend.work.sources import Source


def test_a_source_is_named_by_its_version_or_else_by_its_encoder():
    assert Source("roberta-base").name == "roberta-base"
    assert Source("roberta-base", version=3).name == "version-3"
