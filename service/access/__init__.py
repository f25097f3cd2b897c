"""Who asks and how much they may: tokens, quotas, addresses. Knows no HTTP; `service.api.entrance` asks it."""
