import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from model.encoder.classifier import new_classifier
from model.errors import DamagedVersionError, VersionError
from model.learner.evaluation import Evaluation
from model.learner.recipes import TrainingConfig
from model.learner.registry import KEPT_VERSIONS, Registry, label_digests
from model.learner.training import Trained
from model.types import LabelSet, Recipe, Targets
from tests.fakes import SENTIMENT

TARGETS = Targets((4, 9), ("good film", "bad film"), np.float32([[0, 1], [1, 0]]), SENTIMENT)


@pytest.fixture
def registry(tmp_path) -> Registry:
    return Registry(tmp_path / "versions")


@pytest.fixture
def write(registry, encoder):
    """Writes one more version and returns it."""
    trained = Trained(new_classifier(encoder, SENTIMENT))
    return lambda targets=TARGETS, trained=trained: registry.write(
        trained, targets, TrainingConfig(Recipe.HEAD, encoder)
    )


class FullDisk:
    """An encoder that cannot be saved."""

    config = type("Config", (), {"hidden_size": 16})

    def save(self, folder):
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"half")
        raise OSError("No space left on device")


def half_written(encoder: str) -> Trained:
    classifier = new_classifier(encoder, SENTIMENT)
    return Trained(replace(classifier, encoder=FullDisk()))


def test_a_new_registry_has_nothing(registry):
    assert registry.numbers() == []
    assert (registry.latest(), registry.current(), registry.pending()) == (None, None, None)


def test_a_version_that_was_written_remembers_what_made_it(registry, write, encoder):
    version = write()
    assert (version.number, version.labels, version.label_set) == (1, 2, SENTIMENT)
    assert (version.recipe, version.encoder) == ("head", encoder)
    assert version.label_digests_N.tolist() == label_digests(TARGETS).tolist()
    assert registry.find(1).load().config.label_set == SENTIMENT


def test_a_version_remembers_what_it_is_worth_and_what_made_it_so(registry, write, encoder):
    classifier = new_classifier(encoder, SENTIMENT)
    classifier = replace(classifier, config=replace(classifier.config, temperature=1.3))
    measured = Evaluation(accuracy=0.75, macro_f1=0.7, calibration_error=0.1, texts=2)
    version = write(
        trained=Trained(classifier, Recipe.LP_FT, final_loss=float("nan"), out_of_fold=measured, warnings=("few",))
    )
    assert (version.out_of_fold, version.warnings) == (measured, ("few",))
    assert (version.recipe, version.recipe_used) == ("head", "lp-ft")
    assert version.load().config.temperature == 1.3
    manifest = json.loads((version.folder / "manifest.json").read_text())["record"]
    assert manifest["metrics"]["temperature"] == 1.3
    assert manifest["metrics"]["final_loss"] is None
    assert manifest["config"]["seed"] == 0
    assert set(manifest["libraries"]) == {"python", "torch", "transformers", "tokenizers", "scikit-learn", "numpy"}
    assert manifest["machine"]["threads"] >= 1


def test_the_same_labels_have_the_same_hash_and_others_another(write):
    other = replace(TARGETS, texts=("good film", "worse film"))
    versions = [write(targets) for targets in (TARGETS, TARGETS, other)]
    one, again, different = (
        json.loads((version.folder / "manifest.json").read_text())["record"]["data_sha256"] for version in versions
    )
    assert one == again != different


def test_a_version_of_before_there_were_measurements_is_still_read(registry, write):
    folder = write().folder
    manifest = json.loads((folder / "manifest.json").read_text())["record"]
    del manifest["warnings"], manifest["metrics"]["out_of_fold"], manifest["metrics"]["recipe"], manifest["sha256"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    classifier = json.loads((folder / "classifier.json").read_text())
    del classifier["temperature"], classifier["pooling"]
    (folder / "classifier.json").write_text(json.dumps(classifier))
    version = registry.find(1)
    assert (version.out_of_fold, version.warnings, version.recipe_used) == (None, (), "head")
    assert version.load().config.temperature == 1.0


def test_a_version_that_was_written_is_not_current_before_it_is_pointed_to(registry, write):
    write()
    assert registry.current() is None
    assert registry.pending().number == registry.latest().number == 1
    registry.point(1)
    assert registry.current().number == 1
    assert registry.pending() is None


def test_the_weights_that_are_read_are_those_of_that_version(registry, write):
    write()
    write(trained=_with_bias(registry.find(1).load(), 7.0))
    assert [registry.find(n).load().head.bias[0].item() == 7.0 for n in (1, 2)] == [False, True]


def test_a_change_to_loaded_weights_stays_with_whoever_made_it(write):
    version = write()
    changed = _with_bias(version.load(), 7.0).classifier
    assert changed.head.bias[0].item() == 7.0
    assert version.load().head.bias[0].item() != 7.0


def _with_bias(classifier, bias: float) -> Trained:
    torch.nn.init.constant_(classifier.head.bias, bias)
    return Trained(classifier)


def test_a_version_rolled_back_from_is_never_pending_again(registry, write):
    for _ in range(2):
        registry.point(write().number)
    registry.point(1)
    assert registry.current().number == 1
    assert registry.latest().number == 2
    assert registry.pending() is None


def test_the_training_after_a_rollback_goes_on_from_there(registry, write):
    for _ in range(2):
        registry.point(write().number)
    registry.point(1)
    assert write().number == 3
    assert registry.pending().number == 3


def test_a_version_that_is_not_there_is_answered_with_those_that_are(registry, write):
    write()
    for ask in (registry.find, registry.point):
        with pytest.raises(VersionError, match=r"no model version 8; on disk: 1"):
            ask(8)
    assert registry.current() is None


def test_a_version_killed_half_way_leaves_nothing_that_counts(registry, write, encoder):
    registry.point(write().number)
    with pytest.raises(OSError, match="No space"):
        write(trained=half_written(encoder))
    assert registry.numbers() == [1]
    assert registry.current().number == registry.latest().number == 1
    assert registry.pending() is None
    assert write().number == 3


def test_a_version_that_cannot_be_read_back_is_refused(registry, write, encoder):
    classifier = new_classifier(encoder, SENTIMENT)
    classifier = replace(classifier, head=torch.nn.Linear(16, 5))
    with pytest.raises(VersionError, match="cannot be read back"):
        write(trained=Trained(classifier))
    assert registry.numbers() == []


def test_a_version_for_which_memory_is_too_short_is_not_blamed_on_the_disk(registry, write, monkeypatch):
    def lack(_: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr("model.learner.registry.load_classifier", lack)
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        write()


def test_the_oldest_versions_are_dropped_and_their_numbers_never_given_again(registry, write):
    for _ in range(KEPT_VERSIONS + 2):
        registry.point(write().number)
    assert registry.numbers() == [3, 4, 5, 6, 7]
    shutil.rmtree(registry.find(7).folder)
    assert write().number == 8


def test_the_current_version_is_kept_however_old_it_is(registry, write):
    for _ in range(KEPT_VERSIONS + 1):
        write()
    registry.point(1)
    assert registry.numbers() == [1, 2, 3, 4, 5, 6]
    assert registry.current().number == 1


def test_a_version_never_changes_once_it_is_written(registry, write):
    before = {path: path.read_bytes() for path in write().folder.rglob("*") if path.is_file()}
    registry.point(write().number)
    assert {path: path.read_bytes() for path in before} == before


def test_the_manifest_holds_a_checksum_of_every_file(registry, write):
    version = write()
    manifest = json.loads((version.folder / "manifest.json").read_text())["record"]
    files = {str(path.relative_to(version.folder)) for path in version.folder.rglob("*") if path.is_file()}
    assert set(manifest["sha256"]) == files - {"manifest.json"}


@pytest.mark.parametrize(
    "changed",
    [
        Targets((5, 9), TARGETS.texts, TARGETS.targets_N_C, SENTIMENT),
        Targets((4, 9), ("great film", "bad film"), TARGETS.targets_N_C, SENTIMENT),
        Targets((4, 9), TARGETS.texts, np.float32([[0.5, 0.5], [1, 0]]), SENTIMENT),
    ],
    ids=["task", "text", "label"],
)
def test_a_label_digest_changes_with_the_task_its_text_and_its_labels(changed):
    assert (label_digests(changed) == label_digests(TARGETS)).tolist() == [False, True]


def test_a_label_set_with_several_labels_comes_back_as_it_went(registry, encoder):
    several = LabelSet(("plot", "cast"), is_multilabel=True)
    targets = Targets((1,), ("good",), np.float32([[1, 1]]), several)
    trained = Trained(new_classifier(encoder, several))
    assert registry.write(trained, targets, TrainingConfig()).label_set == several


@pytest.mark.parametrize("content", [b"", b"x", bytes(2), b"-"], ids=repr)
def test_a_lost_counter_gives_no_number_a_second_time(registry, write, tmp_path, content):
    for _ in range(2):
        registry.point(write().number)
    counter = tmp_path / "versions" / "counter"
    counter.write_bytes(content)
    (registry.find(2).folder / "manifest.json").write_bytes(b"")
    assert registry.current().number == 1
    assert write().number == 3
    counter.unlink()
    shutil.rmtree(tmp_path / "versions" / "2.broken")
    shutil.rmtree(registry.find(3).folder)
    assert write().number == 3


def test_a_version_of_which_a_byte_changed_is_set_aside(registry, write, tmp_path, caplog):
    version = write()
    weights = version.folder / "head.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(DamagedVersionError, match=r"version 1 is damaged .*head\.safetensors has another checksum"):
        version.load()
    assert registry.numbers() == []
    assert (tmp_path / "versions" / "1.broken" / "head.safetensors").exists()
    assert "event=set_aside" in caplog.text


def test_the_files_of_a_version_are_hashed_once(write, monkeypatch):
    version = write()
    version.load()
    monkeypatch.setattr("model.learner.model_version.sha256_of", None)
    version.load()


def test_a_damaged_version_cannot_be_rolled_back_to(registry, write):
    for _ in range(2):
        registry.point(write().number)
    (registry.find(1).folder / "encoder" / "config.json").write_text("{}")
    with pytest.raises(DamagedVersionError):
        registry.point(1)
    assert registry.current().number == 2


def test_a_version_rolled_back_to_that_is_damaged_makes_way_for_the_newest(registry, write):
    for _ in range(3):
        registry.point(write().number)
    registry.point(1)
    write()
    (registry.find(1).folder / "manifest.json").write_text("[]")
    assert registry.current().number == 3
    assert registry.missing() == 1
    assert registry.pending().number == 4


def test_whole_files_that_cannot_be_loaded_for_lack_of_memory_are_not_set_aside(registry, write, monkeypatch):
    def no_memory(_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    version = write()
    monkeypatch.setattr("model.learner.model_version.load_classifier", no_memory)
    with pytest.raises(VersionError, match="cannot be loaded"):
        version.load()
    assert registry.numbers() == [1]


def test_a_version_that_cannot_be_saved_leaves_no_folder(registry, encoder, tmp_path):
    with pytest.raises(OSError, match="No space"):
        registry.write(half_written(encoder), TARGETS, TrainingConfig())
    assert [path.name for path in (tmp_path / "versions").iterdir()] == ["counter"]


def test_a_version_is_new_until_it_or_another_is_pointed_to(registry, write):
    for _ in range(2):
        write()
    assert registry.is_new(1)
    registry.point(1)
    # Whoever points past a version has seen it.
    assert not registry.is_new(2)
    assert registry.is_set_back(1)
    write()
    assert registry.is_new(3)
    registry.point(3)
    assert not registry.is_set_back(3)


def test_a_version_with_a_new_one_behind_it_is_not_set_back(registry, write):
    registry.point(write().number)
    write()
    assert not registry.is_set_back(1)


def test_old_versions_go_and_the_current_one_stays_however_old(registry, write):
    registry.point(write().number)
    for _ in range(KEPT_VERSIONS + 1):
        write()
    registry.tidy()
    assert registry.numbers() == [1, 3, 4, 5, 6, 7]
