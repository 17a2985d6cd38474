-- The schema is made with the roles; what it is for is written down here, so that
-- the first table finds it described and the history of migrations begun.
COMMENT ON SCHEMA orchestrator_monitor IS 'Orchestrator nodes, their polls and statistics';
