"""The dashboard of MongoDB."""

from typing import Final

from grafana.declare import UP_DOWN, Column, Dashboard, Panel, Row, Variable, firing, lines, signal, stat, table

SERVER: Final = "{{instance}} {{target}}"
NAMES: Final = {"instance": "Instance", "target": "Target"}
OF: Final = 'database=~"$database"'
COLLECTION: Final = "{{target}} {{database}}.{{collection}} {{shard}}"
_BY: Final = "by (instance, target)"
_EACH: Final = "by (instance, target, database, collection, shard)"
_OF: Final = f"{{$match, {OF}}}"

GLANCE: Final[list[Panel]] = [
    firing(),
    stat("Servers", "Whether each server answers.", f"min {_BY} (mongodb_up{{$match}})", SERVER, unit="none",
         states=UP_DOWN, empty="there is none"),
    stat(
        "Role", "What each member is in its replica set.", f"max {_BY} (mongodb_rs_myState{{$match}})", SERVER,
        unit="none", empty="none is in a replica set",
        states={"1": ("primary", "blue"), "2": ("secondary", "purple"), "7": ("arbiter", "purple"),
                "3": ("recovering", "orange"), "5": ("starting", "orange"), "9": ("rollback", "red")},
    ),
    stat("Up for", "How long each server runs.", f"max {_BY} (mongodb_ss_uptime{{$match}})", SERVER, unit="s",
         empty="there is none"),
    table(
        "Versions", "One that differs, or that is out of support, stands out here.",
        {**NAMES, "mongodb": "Version", "edition": "Edition", "vendor": "Vendor"},
        Column("There", "max by (instance, target, mongodb, edition, vendor) (mongodb_version_info{$match})",
               "bool_yes_no"),
        width=12, height=8, empty="there is none",
    ),
    table(
        "Databases", "Every one that answers, the largest first; those beyond the budget are `other`.",
        {**NAMES, "database": "Database"},
        Column("Collections take", f"max by (instance, target, database) (mongodb_dbstats_storageSize{_OF})", "bytes"),
        Column("Indexes take", f"max by (instance, target, database) (mongodb_dbstats_indexSize{_OF})", "bytes"),
        Column("Documents", f"max by (instance, target, database) (mongodb_dbstats_objects{_OF})", "short"),
        width=12, height=8, empty="there is none",
    ),
]  # fmt: skip

WATCHED: Final[list[Panel]] = [
    signal("Servers that answer", "Whether each server could be reached and asked.", "MongoDBDown", legend=SERVER,
           width=8, unit="none", states=UP_DOWN, empty="there is none"),
    signal("Connections in use", "Connections of clients, as a share of those that the server would take.",
           "MongoDBConnectionsHigh", legend=SERVER, width=8, top=1, empty="there is none"),
    signal("A primary is there", "Whether each member sees a primary in its replica set.", "MongoDBNoPrimary",
           legend=SERVER, width=8, unit="none", states=UP_DOWN, empty="none is in a replica set"),
    signal("Members that the primary reaches", "Whether the primary gets an answer from each member.",
           "MongoDBMemberUnhealthy", legend="{{target}} {{member_idx}}", width=8, unit="none", states=UP_DOWN,
           empty="no primary is watched"),
    signal("Behind the primary", "How much older a secondary's last operation is than the primary's.",
           "MongoDBReplicationLag", legend="{{target}} {{member}}", width=8, empty="no primary is watched"),
    signal("Empty storage", "The share of a collection's file that holds nothing; of collections that are not small.",
           "MongoDBCompactAdvised", legend=COLLECTION, within=OF, width=8, top=1, empty="no collection is that large"),
    signal("Indexes without use", "For how long nobody has used an index of a large collection.",
           "MongoDBUnusedIndex", legend=f"{COLLECTION} {{{{index}}}}", within=OF, width=8,
           empty="every index is used"),
]  # fmt: skip

DETAIL: Final[list[Panel]] = [
    lines("Operations", "Operations of clients, by type.",
          ("sum by (instance, target, type) (rate(mongodb_op_counters_total{$match}[$__rate_interval]))",
           f"{SERVER} {{{{type}}}}"), unit="ops", empty="there is none"),
    lines("Connections", "Connections of clients, and those with an operation under way.",
          (f'max {_BY} (mongodb_ss_connections{{$match, conn_type="current"}})', f"{SERVER} open"),
          (f'max {_BY} (mongodb_ss_connections{{$match, conn_type="active"}})', f"{SERVER} active"),
          unit="none", empty="there is none"),
    lines("Waiting for a lock", "Operations that wait, readers and writers together.",
          (f'max {_BY} (mongodb_ss_globalLock_currentQueue{{$match, count_type="total"}})', SERVER),
          unit="none", empty="none tells"),
    lines("Tickets left", "How many more operations the storage engine would admit. From 7.0 on the server chooses how"
          " many there are, and few are no fault.",
          ("max by (instance, target, txn_rw) (mongodb_ss_wt_concurrentTransactions_available{$match})",
           f"{SERVER} {{{{txn_rw}}}}"), unit="none", empty="none tells"),
    lines("Cache", "What is in the cache of the storage engine, and what may be.",
          (f"max {_BY} (mongodb_ss_wt_cache_bytes_currently_in_the_cache{{$match}})", f"{SERVER} used"),
          (f"max {_BY} (mongodb_ss_wt_cache_maximum_bytes_configured{{$match}})", f"{SERVER} all"),
          unit="bytes", empty="none tells"),
    lines("Not yet written", "Bytes in the cache that wait to be written.",
          (f"max {_BY} (mongodb_ss_wt_cache_tracked_dirty_bytes_in_the_cache{{$match}})", SERVER),
          unit="bytes", empty="none tells"),
    lines("Memory", "Memory that the server takes.",
          (f"max {_BY} (mongodb_ss_mem_resident{{$match}}) * 1024 * 1024", SERVER), unit="bytes", empty="none tells"),
    lines("Network", "Bytes received and sent.",
          ("sum by (instance, target, state) (rate(mongodb_network_bytes_total{$match}[$__rate_interval]))",
           f"{SERVER} {{{{state}}}}"), unit="Bps", empty="there is none"),
    lines("Assertions", "Errors by kind; those of clients (user) are common.",
          ("sum by (instance, target, type) (rate(mongodb_asserts_total{$match}[$__rate_interval]))",
           f"{SERVER} {{{{type}}}}"), unit="ops", empty="there is none"),
    lines("Open cursors", "Cursors that clients have open.",
          (f'max {_BY} (mongodb_ss_metrics_cursor_open{{$match, csr_type="total"}})', SERVER), unit="none",
          empty="there is none"),
    lines("Oplog reaches back", "How old the oldest operation in the oplog is: who is away for longer must copy all.",
          (f"max {_BY} (mongodb_mongod_replset_oplog_head_timestamp{{$match}})"
           f" - max {_BY} (mongodb_mongod_replset_oplog_tail_timestamp{{$match}})", SERVER), unit="s",
          empty="none is in a replica set"),
    lines("Storage of collections", "Disk space that each collection takes, without indexes.",
          (f"max {_EACH} (mongodb_collstats_storageStats_storageSize{_OF})", COLLECTION), unit="bytes",
          empty="no collection is read"),
]  # fmt: skip

DASHBOARD: Final = Dashboard(
    area="mongodb",
    title="MongoDB",
    text="Whether MongoDB servers answer, their replica sets, connections, storage and indexes.",
    presence="mongodb_up",
    variables=(Variable("database", "Database", "mongodb_dbstats_storageSize"),),
    rows=[Row("At a glance", GLANCE), Row("What alerts watch", WATCHED), Row("In detail", DETAIL)],
)
