"""What ships beside the code; its build scripts are the package assets.build."""
