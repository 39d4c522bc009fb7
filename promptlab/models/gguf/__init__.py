"""GGUF files on this machine, answered by a child process that alone owns the native engine."""
