ALTER TABLE {users} ADD COLUMN "virtual_folders" text NULL;
