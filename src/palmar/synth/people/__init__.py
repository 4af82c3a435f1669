"""People around the hands: a body whose arms end where the hand model's forearm stub begins."""
