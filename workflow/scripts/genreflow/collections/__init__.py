"""Where clips come from: own music, published collections, manifests, shards."""
