"""The losses that training minimises: one number a text, in the order of the batch."""

import torch
from torch import Tensor
from torch.nn import functional

from model.encoder.activations import activation_of
from model.links import Link


def classification_losses(logits_B_C: Tensor, targets_B_C: Tensor, link: Link) -> Tensor:
    """Cross-entropy against shares, in nats.

    Args:
        logits_B_C: the head's output.
        targets_B_C: shares in [0, 1].
        link: the meaning of the head's numbers.

    Returns:
        losses_B.
    """
    return activation_of(link).losses(logits_B_C, targets_B_C)


def pair_losses(embeddings_B_D: Tensor, targets_B_C: Tensor) -> Tensor:
    """Squared error of the cosines of all pairs; the cosine should be 1 within a class and 0 between classes.

    SetFit's contrastive step (Tunstall et al., 2022, section 3) with sentence-transformers' CosineSimilarityLoss.
    Deviations: all pairs of a batch instead of sampled pairs, since each text is embedded once; like pairs together
    weigh as much as unlike pairs together; texts whose labels overlap in part are pulled together in part, by the
    cosine of their shares.

    Args:
        embeddings_B_D: a batch of texts.
        targets_B_C: their shares in [0, 1].

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
