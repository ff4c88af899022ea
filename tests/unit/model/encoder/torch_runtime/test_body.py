from model.encoder.encoder import MAX_CHARACTERS, MAX_CHUNKS
from model.encoder.torch_runtime.torch_encoder import load_torch_encoder


def test_training_reads_the_beginning_of_a_long_text(encoder):
    body = load_torch_encoder(encoder).body
    (ids,) = body.tokenize(["good " + "bad " * 500])
    assert len(ids) == body.config.max_tokens == 32
    assert ids[:2] == body.tokenize(["good"])[0][:2]


def test_a_narrower_window_can_be_asked_for_and_a_wider_one_is_not_given(encoder):
    body = load_torch_encoder(encoder).body
    assert [len(body.tokenize(["good " * 50], width)[0]) for width in (7, 500)] == [7, 32]


def test_a_long_text_is_read_in_pieces_that_begin_and_end_like_texts(encoder):
    body = load_torch_encoder(encoder).body
    pieces, owners = body.chunk(["good", "good " * 30 + "bad " * 10, "great"])
    assert owners == [0, 1, 1, 2]
    assert [len(piece) for piece in pieces] == [3, 32, 12, 3]
    assert pieces[2] == body.tokenize(["bad " * 10])[0]


def test_a_text_that_just_fits_is_one_piece(encoder):
    body = load_torch_encoder(encoder).body
    assert [len(body.chunk(["good " * words])[0]) for words in (0, 29, 30, 31, 60, 61)] == [1, 1, 1, 2, 2, 3]


def test_of_a_very_long_text_the_first_and_the_last_piece_and_some_between_are_read(encoder):
    body = load_torch_encoder(encoder).body
    words = [word for word in ("good", "fine", "great", "lovely", "bad", "poor", "awful") for _ in range(30)]
    pieces, owners = body.chunk([" ".join(words)])
    assert owners == [0] * MAX_CHUNKS
    said = body.tokenizer.convert_ids_to_tokens([piece[1] for piece in pieces])
    assert said == ["good", "great", "bad", "awful"]


def test_a_text_of_megabytes_is_cut_before_it_is_tokenized(encoder):
    body = load_torch_encoder(encoder).body
    words = " " * MAX_CHARACTERS
    assert body.chunk([words + "good"]) == body.chunk([""])
