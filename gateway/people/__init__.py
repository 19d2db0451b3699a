"""Who may call, with which words, from which number: agents, scripts, caller numbers."""
