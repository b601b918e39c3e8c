"""The reference of the model's language: a page made of the very declarations that read the model."""
