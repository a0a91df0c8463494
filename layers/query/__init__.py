"""What is read from the store, as SELECT builders (`build_…`) and reads (`fetch_…`).

Every read takes a plain :class:`sqlalchemy.Connection`. Commands call it directly; routes call the same function
through ``AsyncConnection.run_sync``, which awaits the driver underneath, so a cancelled request cancels the statement
and no SQL text exists twice.
"""
