"""The business layer: one process holds links to gateways, and the storage; the rules are ``model.core.business``."""
