// The tables of a feed and an event, for tests of libs. Not for services.
#pragma once

#include <string>
#include <vector>

#include "libs/pg/feed.h"
#include "libs/pg/migrate.h"

namespace gatehouse::pg::testing {

inline const std::vector<Migration> kFeedTables = {{"0001_create_events", R"(
CREATE TABLE auth.events (
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    sequence bigint GENERATED ALWAYS AS IDENTITY,
    tenant_id bigint NOT NULL, user_id text NOT NULL, type text NOT NULL, subject text NOT NULL,
    data jsonb NOT NULL, create_time timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT events_pkey PRIMARY KEY (transaction_id, sequence));
CREATE TABLE auth.feed (
    incarnation bigint NOT NULL,
    swept_transaction_id xid8 NOT NULL DEFAULT '0', swept_sequence bigint NOT NULL DEFAULT 0);
INSERT INTO auth.feed VALUES (7);
GRANT SELECT, INSERT, DELETE ON auth.events TO gatehouse_auth;
GRANT SELECT, UPDATE (swept_transaction_id, swept_sequence) ON auth.feed TO gatehouse_auth;
)"}};

inline Event EventOf(const std::string& subject) {
  Event event;
  event.tenant_id = 1;
  event.user_id = "ada";
  event.type = "test.happened";
  event.subject = subject;
  event.data_json = "{}";
  return event;
}

}  // namespace gatehouse::pg::testing
