"""The names of the recipes for training a classifier. Settings need the names, and must not wait for torch."""

from enum import Enum


class Recipe(str, Enum):
    """How a classifier is trained."""

    AUTO = "auto"
    """One of the other recipes, by the labels at hand (`choose_recipe`)."""
    HEAD = "head"
    """A linear head on the frozen encoder."""
    LP_FT = "lp-ft"
    """The linear head first, then the encoder with it (Kumar et al., ICLR 2022)."""
    FULL = "full"
    """Head and encoder at once, the head from random weights, all layers (Devlin et al., 2019)."""
    CONTRASTIVE = "contrastive"
    """The encoder on pairs of texts, then the linear head (SetFit; Tunstall et al., 2022)."""
