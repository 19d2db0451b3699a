"""What somebody has to look into: raised by rules, kept until a person closes it."""
