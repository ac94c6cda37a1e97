"""To-do lists."""

from __future__ import annotations

from uuid import uuid4

from homeassistant.components.todo import TodoItem, TodoItemStatus, TodoListEntity, TodoListEntityFeature

from .entity import HouseEntity, platform
from .house import Thing


class HouseList(HouseEntity, TodoListEntity):
    """A list of things to buy or to do."""

    _attr_supported_features = (
        TodoListEntityFeature.CREATE_TODO_ITEM
        | TodoListEntityFeature.UPDATE_TODO_ITEM
        | TodoListEntityFeature.DELETE_TODO_ITEM
    )

    def __init__(self, thing: Thing) -> None:
        """Read ``items``, the summaries of what is open."""
        super().__init__(thing)
        self._attr_todo_items = [self._new(summary) for summary in thing.state["items"]]

    @staticmethod
    def _new(summary: str | None) -> TodoItem:
        return TodoItem(summary=summary, uid=uuid4().hex, status=TodoItemStatus.NEEDS_ACTION)

    async def async_create_todo_item(self, item: TodoItem) -> None:
        """Add an item."""
        self.show(todo_items=[*(self.todo_items or ()), self._new(item.summary)])

    async def async_update_todo_item(self, item: TodoItem) -> None:
        """Tick an item off, or reword it."""
        self.show(todo_items=[item if item.uid == old.uid else old for old in self.todo_items or ()])

    async def async_delete_todo_items(self, uids: list[str]) -> None:
        """Take items off the list."""
        self.show(todo_items=[item for item in self.todo_items or () if item.uid not in uids])


async_setup_entry = platform("todo", HouseList)
