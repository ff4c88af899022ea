"""Tests: unit (no network), integration (real Label Studio, Redis, browser), acceptance (the whole story)."""
