"""Partitions of the emulator's tables, sorted, so that a query gets its page without the rest of its partition."""

import bisect
import collections
import re
import sys

from ministack.services import dynamodb

MAX_PAGE_ITEMS = 30_000  # more than the megabyte of a page has
KEY_CONDITION = re.compile(r"pk = (:\w+)(?: AND (?:begins_with\(sk, (:\w+)\)|sk BETWEEN (:\w+) AND (:\w+)))?")


class SortedPartitions:
    """The sort keys of partitions in their order, from the first query of a partition on."""

    def __init__(self):
        self._partitions = {}  # the items and their keys, by table and partition

    def keys(self, table, pk):
        items = table["items"].get(pk, {})
        known, keys = self._partitions.get((id(table), pk), (None, []))
        # A partition that became empty or was restored is another dict.
        if known is not items or len(keys) != len(items):
            keys = sorted(items)
            self._partitions[id(table), pk] = (items, keys)
        return keys

    def with_added_keys(self, set_item):
        def set_item_and_key(table, pk, sk, item):
            items, keys = self._partitions.get((id(table), pk), (None, None))
            if items is not None and sk not in items:
                bisect.insort(keys, sk)
            return set_item(table, pk, sk, item)

        return set_item_and_key

    def with_removed_keys(self, remove_item):
        def remove_item_and_key(table, pk, sk):
            items, keys = self._partitions.get((id(table), pk), (None, None))
            if items is not None and sk in items:
                del keys[bisect.bisect_left(keys, sk)]
            return remove_item(table, pk, sk)

        return remove_item_and_key

    def with_pages(self, query):
        """A query that gets only the items of its page, and the next one, which shows whether there are more."""

        def query_page(data):
            table = dynamodb._tables.get(data.get("TableName"))
            page = self._page(table, data) if table and not data.get("IndexName") else None
            if page is None:
                return query(data)
            with dynamodb._lock:  # against the thread that removes expired items
                items = table["items"]
                table["items"] = collections.defaultdict(dict, page)
                try:
                    return query(data)
                finally:
                    table["items"] = items

        return query_page

    def _page(self, table, data):
        """The items of the page by their partition. `None` for conditions that the product does not use."""
        match = KEY_CONDITION.fullmatch(data.get("KeyConditionExpression") or "")
        values = {name: value.get("S") for name, value in data.get("ExpressionAttributeValues", {}).items()}
        if not match or not all(values.get(name) for name in match.groups() if name):
            return None
        partition, prefix, first, last = (values.get(name) for name in match.groups())
        keys = self.keys(table, partition)
        begin, end = 0, len(keys)
        if prefix:
            begin, end = bisect.bisect_left(keys, prefix), bisect.bisect_left(keys, prefix + chr(sys.maxunicode))
        elif first and last:
            begin, end = bisect.bisect_left(keys, first), bisect.bisect_right(keys, last)
        after = ((data.get("ExclusiveStartKey") or {}).get("sk") or {}).get("S")
        length = 1 + int(data.get("Limit") or MAX_PAGE_ITEMS)
        if data.get("ScanIndexForward", True):
            begin = max(begin, bisect.bisect_right(keys, after)) if after else begin
            end = min(end, begin + length)
        else:
            end = min(end, bisect.bisect_left(keys, after)) if after else end
            begin = max(begin, end - length)
        items = table["items"].get(partition, {})
        return {partition: {key: items[key] for key in keys[begin:end]}}
