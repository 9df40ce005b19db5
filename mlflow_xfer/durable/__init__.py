"""What outlives a crash: files that appear whole, manifests, locks, patience and heartbeats, one of each."""
