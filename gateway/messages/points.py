"""Texts about tables of tags."""

from drivers.words import Message

TABLE = {
    "config.csv_heading": Message(
        "表格的标题行缺少“{key}”列",
        "the table has no column {key}",
        "在标题行加一列 {key}，下面每行填上；可用的标题：{known}",
        "Add a column {key} and fill it in; headings may be: {known}",
    ),
    "config.csv_unknown": Message(
        "表格里有不认识的列“{key}”",
        "the table has an unknown column {key}",
        "删掉这一列，或换个标题；可用的标题：{known}",
        "Take the column out, or give it another heading: {known}",
    ),
    "config.csv_no_headings": Message(
        "表格没有标题行，或前面还有别的行",
        "the table has no headings, or other lines before them",
        "第一行写标题，例如：{example}；可用的标题：{known}",
        "Begin with a line of headings, such as: {example}; there may be: {known}",
    ),
    "config.csv_full_width": Message(
        "表格用全角符号 {found} 分隔",
        "the cells are apart by a full-width {found}",
        "把 {found} 全部替换成英文逗号，第一行成为：{wanted}",
        "Replace each {found} by a comma, so that the first line is: {wanted}",
    ),
    "config.csv_syntax": Message(
        "表格读不下去：{error}",
        "the table cannot be read on: {error}",
        "引号要成对；可用 Excel 打开后另存为“CSV UTF-8”",
        'Quotes come in pairs; open it in Excel and save it as "CSV UTF-8"',
    ),
    "config.no_table": Message(
        "{file} 不是标签表：名称要以 .csv 结尾",
        "{file} is no table of tags: its name must end in .csv",
        '另存为 CSV，写成 tags_file = "{meant}"',
        'Save it as CSV and write tags_file = "{meant}"',
    ),
    "config.no_xlsx": Message(
        "还不能直接读 Excel 文件 {file}",
        "Excel files cannot be read yet: {file}",
        '在 Excel 里另存为“CSV UTF-8”，写成 tags_file = "{meant}"',
        'Save it in Excel as "CSV UTF-8" and write tags_file = "{meant}"',
    ),
    "config.csv_empty": Message(
        "表格里只有标题行，没有标签",
        "the table has headings and no tag below",
        "在标题行下面每行写一个标签；设备暂时没有标签就删掉这台设备",
        "Write one tag a line below the headings; a device without tags is left out",
    ),
    "config.cell_empty": Message(
        "“{key}”这一格是空的",
        "the cell of {key} is empty",
        "填上，例如：{example}",
        "Fill it in, such as: {example}",
    ),
}
