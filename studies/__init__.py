"""The questions: each study is data, rows of recipes beside what the paper reports for them."""
