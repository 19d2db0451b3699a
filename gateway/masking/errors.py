"""What can go wrong when a projection is compiled; applying one cannot fail."""


class MaskingError(Exception):
    """Root of this package's errors.

    MaskingError
    ├── ForbiddenFieldError    a rule would release what no rule may release
    ├── UnknownTransformError  a rule asks for a form that has no transform
    └── WeakMasterKeyError     the key material is too short to derive pseudonym keys from

    Messages name fields and forms, never values or keys.
    """


class ForbiddenFieldError(MaskingError):
    """The field is K3, or the level is wider than the catalogue allows at any stage."""


class UnknownTransformError(MaskingError):
    """The level needs a form, and the rule names none that is known."""


class WeakMasterKeyError(MaskingError):
    """The master key is shorter than 32 bytes, or a scope name is empty."""
