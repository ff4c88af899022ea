"""What training makes small: one loss a text, in the order of the batch."""

import torch
from torch import Tensor
from torch.nn import functional


def classification_losses(logits_B_C: Tensor, targets_B_C: Tensor, *, is_multilabel: bool) -> Tensor:
    """Cross-entropy against shares, in nats; summed over classes' yes/no questions where several may hold.

    Returns:
        losses_B.
    """
    if is_multilabel:
        cells_B_C = functional.binary_cross_entropy_with_logits(logits_B_C, targets_B_C, reduction="none")
        return cells_B_C.sum(dim=1)
    return functional.cross_entropy(logits_B_C, targets_B_C, reduction="none")


def pair_losses(embeddings_B_D: Tensor, targets_B_C: Tensor) -> Tensor:
    """Squared error of cosines: 1 for two texts of one class, 0 for two of different classes.

    SetFit's contrastive step (Tunstall et al., 2022, section 3) with sentence-transformers' CosineSimilarityLoss.
    Deviations: all pairs of a batch instead of sampled ones, at the price of one embedding a text; like and unlike
    pairs weigh the same whatever their numbers; texts whose labels overlap in part are pulled together in part, by the
    cosine of their shares.

    Args:
        embeddings_B_D: of a batch.
        targets_B_C: its shares.

    Returns:
        losses_B, whose mean is the mean over like pairs plus the mean over unlike pairs.
    """
    cosine_B_B = _cosines(embeddings_B_D)
    likeness_B_B = _cosines(targets_B_C)
    apart_B_B = 1 - torch.eye(len(targets_B_C), device=targets_B_C.device)
    like_B_B, unlike_B_B = likeness_B_B * apart_B_B, (1 - likeness_B_B) * apart_B_B
    pulled_B = (like_B_B * (1 - cosine_B_B).square()).sum(dim=1) / like_B_B.sum().clamp(min=1e-6)
    pushed_B = (unlike_B_B * cosine_B_B.square()).sum(dim=1) / unlike_B_B.sum().clamp(min=1e-6)
    return len(targets_B_C) * (pulled_B + pushed_B)


def _cosines(rows_B_D: Tensor) -> Tensor:
    unit_B_D = functional.normalize(rows_B_D, dim=1)
    return unit_B_D @ unit_B_D.T
