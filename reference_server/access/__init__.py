"""The access layer: gateways. One process holds client connections and one link to business; the rules are ``model.core.gateway``."""
