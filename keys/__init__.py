"""Keys and certificates: issue, verify, rotate, revoke; tokens; envelope encryption."""
