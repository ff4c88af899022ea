"""Commands that use trained models outside of Label Studio: export one, or classify a file of texts."""
