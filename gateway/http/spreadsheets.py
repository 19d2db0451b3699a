"""Any list of the company API as CSV or XLSX, for who asks for that media type."""

import orjson
from fastapi import Request, Response

from gateway.reports.tables import table_of, write_csv
from gateway.reports.workbook import MEDIA_TYPE, write_workbook

CSV = "text/csv"


def as_table(request: Request, answer: Response) -> Response:
    """The same page as a file, when a list was answered and the caller accepts a table only.

    The cursor of the next page, if there is one, is in the header Casegate-Next-Cursor.
    """
    wanted = request.headers.get("accept", "").partition(";")[0].strip().lower()
    if wanted not in {CSV, MEDIA_TYPE} or answer.media_type != "application/json":
        return answer
    content = orjson.loads(bytes(answer.body))
    items = content.get("items") if isinstance(content, dict) else content
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return answer
    head, rows = table_of(items)
    name = request.url.path.rstrip("/").rpartition("/")[2]
    if wanted == CSV:
        table = Response(write_csv(head, rows), media_type="text/csv; charset=utf-8")
        extension = "csv"
    else:
        table = Response(write_workbook([(name, head, rows)]), media_type=MEDIA_TYPE)
        extension = "xlsx"
    table.headers["Content-Disposition"] = f'attachment; filename="{name}.{extension}"'
    following = content.get("next_cursor") if isinstance(content, dict) else None
    if following:
        table.headers["Casegate-Next-Cursor"] = str(following)
    return table
