"""The floors: a Django of one view and one statement, on the server the product runs on."""
