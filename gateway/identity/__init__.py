"""Who is calling: peer certificate and bound token to principal; revocations heard and obeyed."""
