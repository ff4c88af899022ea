import numpy as np

from model.llm.asking.nearest import MOST_EXAMPLES, group_alike, nearest_examples


def along_a_line(*degrees):
    angles = np.deg2rad(np.array(degrees, dtype=np.float64))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32).reshape(len(degrees), 2)


def test_groups_hold_alike_texts_and_every_text_once():
    angles = [0, 90, 1, 91, 2, 92, 3]
    groups = group_alike(along_a_line(*angles), 4)
    assert [group.tolist() for group in groups] == [[0, 2, 4, 6], [1, 3, 5]]
    assert [len(group) for group in group_alike(np.zeros((45, 3)), 20)] == [20, 20, 5]
    assert group_alike(np.zeros((0, 3)), 20) == []


def test_a_groups_examples_are_each_texts_nearest_then_second_nearest():
    labelled = along_a_line(0, 10, 80, 100)
    assert nearest_examples(along_a_line(2, 99), labelled).tolist() == [3, 0, 1, 2]
    assert nearest_examples(along_a_line(2, 3), labelled).tolist() == [0, 1]
    assert nearest_examples(along_a_line(2), labelled[:1]).tolist() == [0]
    assert nearest_examples(along_a_line(2), labelled[:0]).tolist() == []


def test_a_group_of_many_neighbours_gets_sixteen_every_nearest_before_a_second():
    labelled, texts = along_a_line(*range(0, 120, 3)), along_a_line(*(1 + 6 * n for n in range(20)))
    rows = nearest_examples(texts, labelled)
    assert len(rows) == len(set(rows.tolist())) == MOST_EXAMPLES
    assert all(row % 2 == 0 for row in rows)
