"""What hands do: actions in video, gestures, and the objects they use."""
